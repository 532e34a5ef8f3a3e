-- Mutate: whether a duty of the sweeper is due, which is so when it last ran p_seconds ago and nobody is at it; it has
-- run now, then. `place` is where it left off. Locks the duty until the transaction ends.
create or replace function ops.take_duty(p_name text, p_seconds numeric, out due boolean, out place text)
language plpgsql volatile set search_path = ''
as $$
begin
  select u.place into place from ops.duties u
   where u.name = p_name and u.ran_at <= ops.now() - ops.seconds(p_seconds) for update skip locked;
  due := found;
  if due then
    update ops.duties set ran_at = ops.now() where name = p_name;
  end if;
end
$$;
