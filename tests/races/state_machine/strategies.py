"""The values that the random sequences draw."""

from datetime import timedelta

from hypothesis import strategies as st

NOW, SOON, LATER = "now", "soon", "later"
FOREIGN, UNKNOWN = 18, 19

users = st.sampled_from([0, 1])
picks = st.integers(0, 19)
policies = st.sampled_from([None, "allow", "warn", "warn", "forbid"])
if_matches = st.sampled_from([None, None, None, "right", "stale"])
notes = st.sampled_from([None, "first", "second"])
tags = st.sampled_from([[], ["red"], ["red", "blue"]])
past_offsets = st.sampled_from([*range(12), 50, 80]).map(
    lambda half: timedelta(minutes=30 * half, milliseconds=half % 3 * 400)
)
"""Few instants, so that time ranges often touch or overlap; two are far enough in the past to exceed the cap."""
instants = st.one_of(st.just(NOW), past_offsets, st.sampled_from([NOW, SOON, LATER]))
task_fields = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["One", "Two"]),
        "status": st.sampled_from(["pending", "in_progress", "completed"]),
        "tags": tags,
        "billable": st.booleans(),
        "priority": st.sampled_from([None, 0, 4]),
    },
)
entry_fields = {"note": notes, "tags": tags, "billable": st.booleans()}
durations = st.sampled_from([1, 1800, 3600, 5400]) | st.integers(0, 30 * 3600)
entry_times = st.fixed_dictionaries(
    {}, optional={"started_at": past_offsets, "ended_at": past_offsets, "duration_seconds": durations}
)
