-- Roles of the schema and the schema itself.
--
-- ops_owner   owns everything in `ops`; nobody logs in as it. SECURITY DEFINER functions run as it.
-- ops_server  what a server's login is a member of: EXECUTE on the verbs, SELECT on the views, no table at all.
-- ops_reader  SELECT on the views, for people and reports.
--
-- Roles belong to the cluster, not the database: creation is guarded, also against a second database that is being
-- migrated at the same moment. Needs CREATEROLE (or the roles made beforehand), not superuser.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['ops_owner', 'ops_server', 'ops_reader'] loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
    exception when duplicate_object or unique_violation then
      null;  -- another database's migration made it first
    end;
  end loop;
  -- From Postgres 16 on who creates a role only administers it: a member, but one that may not act as it.
  if not pg_catalog.pg_has_role(current_user, 'ops_owner',
       case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end) then
    execute format('grant ops_owner to %I', current_user);
  end if;
end
$$;

create schema if not exists ops authorization ops_owner;
revoke all on schema ops from public;
grant usage on schema ops to ops_server, ops_reader;

-- Everything that follows in the same transaction is owned by ops_owner.
set local role ops_owner;

-- A function is nobody's to call until sql/grants says so.
alter default privileges for role ops_owner revoke execute on functions from public;
