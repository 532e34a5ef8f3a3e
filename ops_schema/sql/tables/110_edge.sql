-- What the executor plane's edge needs: settings of registration, sessions and login codes, and an index.
insert into ops.settings (key, value) values
  -- executor kinds that may register
  ('kinds', '["python", "notebook", "dbt", "trino", "spark", "duckdb", "command"]'),
  ('contract_versions', '["1.0", "1.1"]'),       -- what this schema speaks, oldest first
  ('heartbeat_seconds', '20'),                   -- told to executors; a third of the default lease
  ('order_milliseconds', '700'),                 -- within which one that cannot wait for orders hears of them
  ('login_code_seconds', '600'),
  ('session_seconds', '43200');

-- Whether bytes are in the store already is asked at every artifact's begin.
create index artifacts_object on ops.artifacts (object_key) where state in ('begun', 'recorded', 'visible');
