"""The values that the random sequences draw."""

from datetime import timedelta

from hypothesis import strategies as st

NOW, SOON, LATER = "now", "soon", "later"
SOMEBODY_ELSES, NO_SUCH = 18, 19

users = st.sampled_from([0, 1])
picks = st.integers(0, 19)
policies = st.sampled_from([None, "allow", "warn", "warn", "forbid"])
matches = st.sampled_from([None, None, None, "right", "stale"])
notes = st.sampled_from([None, "first", "second"])
tags = st.sampled_from([[], ["red"], ["red", "blue"]])
past = st.sampled_from([*range(12), 50, 80]).map(lambda half: timedelta(minutes=30 * half, milliseconds=half % 3 * 400))
"""Few instants, so that stretches of time meet and overlap often; two are far enough off for the cap."""
timely = st.one_of(st.just(NOW), past, st.sampled_from([NOW, SOON, LATER]))
said_of_a_task = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["One", "Two"]),
        "status": st.sampled_from(["pending", "in_progress", "completed"]),
        "tags": tags,
        "billable": st.booleans(),
        "priority": st.sampled_from([None, 0, 4]),
    },
)
said_of_an_entry = {"note": notes, "tags": tags, "billable": st.booleans()}
lengths = st.sampled_from([1, 1800, 3600, 5400]) | st.integers(0, 30 * 3600)
times_of_an_entry = st.fixed_dictionaries(
    {}, optional={"started_at": past, "ended_at": past, "duration_seconds": lengths}
)
