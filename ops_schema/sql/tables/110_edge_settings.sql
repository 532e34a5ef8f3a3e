-- Settings of the executor plane's edge: registration, sessions, retention of login codes.
insert into ops.settings (key, value) values
  ('kinds', '["python", "notebook", "dbt", "trino", "spark", "duckdb", "command"]'),  -- executor kinds that may register
  ('contract_versions', '["1.0"]'),              -- what this schema speaks, oldest first
  ('heartbeat_seconds', '20'),                   -- told to executors; a third of the default lease
  ('executor_lost_seconds', '60'),               -- silent longer than this: shown as lost
  ('login_code_seconds', '600'),
  ('session_seconds', '43200');
