-- Every allowed change of state: rows (entity, from_state, to_state). From '' means created in that state.
-- Triggers enforce it (below), STATE_MACHINE.md draws it, a test holds the three together.
create or replace function ops.transitions()
returns table (entity text, from_state text, to_state text)
language sql immutable parallel safe set search_path = ''
as $$
  values
    ('run', '', 'waiting'), ('run', '', 'queued'),
    ('run', 'waiting', 'queued'), ('run', 'waiting', 'running'),
    ('run', 'waiting', 'succeeded'), ('run', 'waiting', 'failed'), ('run', 'waiting', 'cancelled'),
    ('run', 'waiting', 'skipped'),
    ('run', 'queued', 'running'), ('run', 'queued', 'waiting'), ('run', 'queued', 'failed'), ('run', 'queued', 'cancelled'),
    ('run', 'running', 'queued'), ('run', 'running', 'waiting'), ('run', 'running', 'succeeded'),
    ('run', 'running', 'failed'), ('run', 'running', 'cancelled'),
    ('attempt', '', 'running'),
    ('attempt', 'running', 'succeeded'), ('attempt', 'running', 'failed'), ('attempt', 'running', 'cancelled'),
    ('attempt', 'running', 'expired'), ('attempt', 'running', 'capped'),
    ('publication', '', 'recorded'),
    ('publication', 'recorded', 'committed'), ('publication', 'recorded', 'failed'),
    ('artifact', '', 'begun'), ('artifact', '', 'recorded'),
    ('artifact', 'begun', 'recorded'), ('artifact', 'begun', 'orphaned'),
    ('artifact', 'recorded', 'visible'), ('artifact', 'recorded', 'orphaned'), ('artifact', 'visible', 'expired')
$$;
