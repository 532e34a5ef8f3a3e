-- Views are for reading; tables stay closed to everybody but their owner.
grant select on
  ops.run_overview, ops.attempt_overview, ops.event_overview, ops.artifact_overview, ops.publication_overview,
  ops.executor_overview, ops.cap_overview, ops.dead_letters
to ops_server, ops_reader;
