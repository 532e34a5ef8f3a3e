-- The clock of every function. A test replaces this function to move time.
-- Statement time, not transaction time: a caller that sends many statements in one transaction sees time pass.
create or replace function ops.now() returns timestamptz
language sql stable parallel safe
return statement_timestamp();
