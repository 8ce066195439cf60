"""Sun, temperature, wind and air over the steps of a time grid, from files or from a synthetic year.

    source -> rows (the file's own steps) -> inspected rows (missing values, shift, closure) -> Weather on the grid

`read_weather` does all of it; every thing detected, handled or mapped on the way is a sentence in `Weather.notes`.
"""

from vpp_sim.weather.read import read_weather, source_files
from vpp_sim.weather.series import Weather
from vpp_sim.weather.sources import WeatherSource
from vpp_sim.weather.sun import Site

__all__ = ["Site", "Weather", "WeatherSource", "read_weather", "source_files"]
