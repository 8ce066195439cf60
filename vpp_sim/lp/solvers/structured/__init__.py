"""An interior-point method for programs with chain structure: the same cost for each step, eight lanes side by side.

**Problem.** With x[t] the step variables, g the globals, one block of rows for each step and a few total rows,

    min  sum c[t]'x[t] + cg'g
    s.t. A0[t] x[t] + A1[t] x[t-1] + G[t] g = b[t]                 rows of step t (a slack where it is an inequality)
         l <= a x_i[t] + gamma'g <= u                              *bound rows*: one step variable, moved by globals
         sum B[t] x[t] + Bg g = bd                                 total rows
         bounds on x, g and slacks.

Columns that are fixed throughout and rows that ask for nothing are taken out first (`lp.reduce`). Every other variable
is shifted and scaled to x = sign (shift + scale p); v = p is the distance to its lower bound and w = width - p to its
upper one, with duals zl and zu (`numbers`). Rows with one variable and no global, and total rows with one entry, become
bounds; their duals are given back at the end (`outcome`).

**Newton step.** With residuals r = b - A p, the complementarity v dzl + zl dv = tl - v zl, w dzu + zu dw = tu - w zu
(tl = tu = 0 in the predictor; sigma mu - dv dzl and sigma mu - dw dzu of the predictor in the corrector, which is
solved as a correction with r = 0) and the duals zl - zu of bound rows eliminated, each column obeys

    h dp - a'dy + q'dg = f          h = zl/v + zu/w + sum a^2 hs + rho,    q = sum a gamma hs
                                    f = -(c - A'y) + sum a hs rs     (predictor)
                                    f = tl/v - tu/w + sum a fs       (corrector)
    A dp + G dg = r
    -H dg - Q dp + G'dy = -fg       H = curvature of globals + sum gamma gamma' hs

where hs, rs and fs are curvature, residual and pull of bound rows' slacks. So with e = (a, -q), the column's vector
over rows and globals, u = (dy, dg) solves K u = rhs with

    K = sum e e' / h + [0 G; G' -H],     rhs = (r, -fg) - sum e f / h,     dp = (f + e'u) / h.

A column that does not move (bounds coincide) has 1/h = 0. rho = 1e-9 (`PROXIMAL`) is a proximal term rho/2 dp^2 on each
column: it leaves rho dp of dual infeasibility, which vanishes with the steps, it is all that a free column has, and it
bounds 1/h. Without it an interior column's 1/h grows like p^2/mu to 1e13 while mu falls; dp = (f + e'u)/h then
amplifies the rounding of u until rows cannot be met to better than 1e-7, as happened where the optimum is degenerate
(many variables fixed at values that were an optimum before). States, which are not divided by h, have 1e-12: a level
that may lie anywhere all year long moves at a speed of its price over the sum of all steps' rho, and at 5-minute steps
the gap crept at 1e-7 while the store drifted.

**Bound rows that act.** Near the optimum hs passes 1e12 where a x + gamma g meets its bound, while what the rest of
the column lets the global feel may be 1e-6. Two differences are therefore written out instead of being taken. With
rest = h - a^2 hs, the sum of the column's other terms, elimination of the column leaves between globals

    - gamma gamma' hs + (a gamma hs)(a gamma' hs) / h = - gamma gamma' hs rest / h

(with (p rest + a^2) / (p h + a^2) in place of rest / h in a state's pair), and the slack moves by

    ds = a dp + gamma'dg - rs = (a (f* + e*'u) + (gamma'dg - rs) rest) / h

where * leaves this bound row out (in the corrector f* keeps its pull, and rs = 0). As differences they cost all digits:
the peak of a month was 1e-6 from dual feasible and stayed there.

**Order of elimination** (`kernels`). In step t: the rows without lag, then each lagged row together with the state that
it carries on, which is kept as an unknown with diagonal -h instead of being folded into K. The pair is a 2 x 2 pivot

    [p a; a -h]^-1 = [h a; a -p] / (p h + a^2)

which subtracts nothing: passing from e[t-1] to e[t] is the scalar Kalman recursion p h / (p h + a^2). Either alone is
no pivot where a store idles (p and h both near 0): with plain normal equations, reference years in one lane stalled at
gaps of 1e-5 to 1e-8. What is handed on is a matrix over the lagged rows of step t + 1 and the border. Every row's
diagonal is shifted by 1e-15 of itself, the size of the rounding to come, which is a proximal term on y (at 1e-14 rows
were restored by a twentieth of what they missed in each iteration).

The *border* is never eliminated in the sweep: total rows, dense globals, and the places of *live* globals. A global
that serves one range of steps (a month's peak) takes a place while its range lasts and is eliminated at its end, so
twelve peaks cost as much as one. The border's Schur complement (a few unknowns for each chain) is solved densely.

**Segments.** A single program is cut into segments that take a lane each: their first lagged rows stay as *spikes*, a
border of their own, and join the small dense system together with the neighbour's last ones. Cuts lie on the ends of
live ranges or split them evenly, so a live global lies within a segment or fills it. Segments of unequal length are
masked at their ends, behind which their last range goes on. The kernels are the same.

**Batches.** Programs of one `LinearProgram.structure` take a lane each, without spikes. Where a range of a live global
ends, and which column serves it, is a number of the lane: a range's end is an event of the sweep, at which the lanes
that it concerns eliminate their global and the others do not. Numbers are poured, points read and certificates made for
all lanes at once (`lp.alike`). A lane that is done idles until its vector is; so whenever half of the lanes at work are
done, the points of the others are taken out and go on in fuller vectors (`Saved`). That saved 38 % of the time of 1,024
windows of which some have no solution, and 18 % of 32 quarters of a year of which four need more iterations. No lane's
numbers meet another's, so results do not depend on the company.

**Iteration** (`interior_point`). Mehrotra's predictor and corrector, separate primal and dual step lengths, start at
the middle of narrow boxes and one size scale inside wide ones, with all duals at the largest cost. Four sweeps: move,
residuals, factor and forward; backward; corrector forward; backward. The corrector aims each product at sigma mu less
its second-order term, but at no less than 0.1 sigma mu and no more than 3 mu: that term belongs to a full step, and
where the affine step was short it pushed single products so far that steps of 0.003 followed (17 programs took 854
iterations, with the limits 749; limits of -mu and mu took 852). A converged lane has step length 0. Where only rows are
missing, a step without pulls (f = 0, targets 0) is the shortest way back: there rounding is relative to the residual.
mu is not driven far below what the tolerance needs; a lane that meets it goes on for a few iterations towards a gap of
0.03 of it where its rows allow, since small prices decide between plans of equal cost; if that loses what was met, the
last step is taken back and the lane is done. A lane whose residuals and mu fall no more has stalled. Multiple
centrality correctors are not used: a further solve costs half an iteration here. Nor is a direction refined: where rows
were missed by rounding, a second solve with the same 1/h rounded as badly, and with rho there is nothing left to mend.

**Trust.** A solution counts only if its certificate passes at the tolerance (1e-8). Where there is no point, the duals
grow without end along a ray that shows why: if those of a stalled run prove it (`lp.certificate.proves_infeasibility`),
the program is infeasible and nobody else is asked. That took 0.5 s for a year with a target over the horizon that
HiGHS needs 10 to 100 s to refuse. Whatever else happens, `auto` goes to HiGHS and says why; `structured` itself asks
HiGHS only whether the program is infeasible or unbounded. Only where the time limit is reached, nobody is asked: a
batch has the limit once for each of its programs.

**Compilation.** Kernels are written for one form (rows, columns, kinds of bounds and numbers) as straight-line vector
code by tracing (`vector_code`) and compiled by llvmlite, numba's own back end, in 0.2 to 1 s; the object code is kept
in `$VPP_SIM_CACHE` or the user's cache folder. `auto` never waits for that longer than for HiGHS: below 4,000 steps it
takes the structured solver only where the kernels are there already, below 96 steps never.
"""

from vpp_sim.lp.solvers.structured.solver import (
    StructuredSolver,
    attempt_for_auto,
    declined,
    solve_together,
    try_structured,
)

__all__ = ["StructuredSolver", "attempt_for_auto", "declined", "solve_together", "try_structured"]
