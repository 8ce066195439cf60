"""Series in time: a plain number, a column of a file, or a named generator, as one array on the time axis."""

from vpp_sim.profiles.model import FileProfile, GeneratedProfile, Profile
from vpp_sim.profiles.read import Series
from vpp_sim.profiles.resample import calendar_resampled, resampled
from vpp_sim.profiles.series import profile_files, profile_series

__all__ = [
    "FileProfile",
    "GeneratedProfile",
    "Profile",
    "Series",
    "calendar_resampled",
    "profile_files",
    "profile_series",
    "resampled",
]
