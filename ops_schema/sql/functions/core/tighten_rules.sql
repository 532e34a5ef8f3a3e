-- What the caps of a new run say beside their limits: those of the template's own, tightened by those of its pipeline
-- or of the run that it repeats (p_inherited) and by what the submit asks. A submit asks for no weaker action and no
-- longer grace than what is in force: OPX01 with {cap, limit, observed}. Null when nothing is said.
create or replace function ops.tighten_rules(
  p_workspace text, p_template_name text, p_template jsonb, p_asked jsonb, p_inherited jsonb, p_limits jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_own   jsonb := ops.cap_rules(p_template);
  v_asked jsonb := ops.cap_rules(p_asked);
  v_force jsonb;
  v_ask   record;
  v_due   text;
begin
  if v_asked is not null then
    v_force := ops.effective_rules(p_workspace, p_template_name, v_own, p_inherited);
    for v_ask in select a.key, a.value, v_force -> a.key as force from jsonb_each(v_asked) a loop
      v_due := coalesce(v_ask.force ->> 'action', case when p_limits ? v_ask.key then 'cancel' end);
      if ops.cap_strength(v_ask.value ->> 'action') < ops.cap_strength(v_due) then
        perform ops.fail('OPX01', format('%s: %s is weaker than %s', v_ask.key, v_ask.value ->> 'action', v_due),
          jsonb_build_object('cap', v_ask.key, 'limit', v_due, 'observed', v_ask.value -> 'action'),
          'A run can tighten a cap, never loosen it.');
      elsif (v_ask.value ->> 'grace_seconds')::numeric > (v_ask.force ->> 'grace_seconds')::numeric then
        perform ops.fail('OPX01', format('%s: a grace of %s s is longer than %s s', v_ask.key,
            v_ask.value ->> 'grace_seconds', v_ask.force ->> 'grace_seconds'),
          jsonb_build_object('cap', v_ask.key, 'limit', v_ask.force -> 'grace_seconds',
                             'observed', v_ask.value -> 'grace_seconds'),
          'A run can tighten a cap, never loosen it.');
      end if;
    end loop;
  end if;
  if v_asked is null and p_inherited is null then
    return v_own;
  end if;
  return nullif(ops.tightest_rules(ops.tightest_rules(v_own, p_inherited), v_asked), '{}');
end
$$;
