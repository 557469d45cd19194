"""The paper's method, equation by equation.

Eq. 5, 6, 17   the learning step             langevin.energy.compute_learning_loss, learning.learning_step
Eq. 7, 16      the energy of a latent vector langevin.energy.compute_energy
Eq. 8, 19      a Langevin step               langevin.dynamics.langevin_step
Eq. 9          the short run, K steps        langevin.dynamics.run_chain, langevin.engine.InferenceEngine
Eq. 13         the assignment to the prior   transport.solve.solve_transport, transport.exact.ExactSolver
Eq. 14         the search over targets       transport.blockwise.best_targets, transport.dual.DualSolver
Algorithm 1    rounds on complete images     algorithm.train, algorithm.run_round
Algorithm 2    the dual by the scripts' Adam  transport.dual.AdamDualSolver
Algorithm 3    rounds on occluded images     algorithm.train with ``visible``
Section 7.5    anomaly scores                scores.score_images
"""
