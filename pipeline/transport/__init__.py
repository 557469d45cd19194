"""Optimal transport of the inferred latents to the prior: problem -> solver -> map."""

from pipeline.transport.problem import TransportMap, TransportProblem
from pipeline.transport.solve import SOLVERS, choose_solver, solve_transport

__all__ = ["SOLVERS", "TransportMap", "TransportProblem", "choose_solver", "solve_transport"]
