"""The recording and the verdicts go in; the leak suspects of each arm, each with what retains it, come out.

Two rules decide on growth. During a run ``soak.heap.growth`` nominates: what was larger in each of the last censuses is
put to the probe, which finds out what retains it. Afterwards ``trends`` decides, on all censuses of the load.
"""
