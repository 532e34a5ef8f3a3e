-- The caps of a new run: what is in force for the template, tightened by what the submit asks. A submit may tighten,
-- never loosen: OPX01 with {cap, limit, observed}. OPV01 for what is no cap, see ops.check_cap_value. Returns {cap:
-- limit} of those that end something; for the rest see ops.tighten_rules.
create or replace function ops.tighten_caps(p_workspace text, p_template_name text, p_template jsonb, p_asked jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_force jsonb := ops.effective_caps(p_workspace, p_template_name, ops.cap_limits(p_template));
  v_asked jsonb;
  v_ask   record;
begin
  for v_ask in select * from jsonb_each(coalesce(p_asked, '{}')) loop
    perform ops.check_cap_value('/caps/' || v_ask.key, v_ask.key, v_ask.value);
  end loop;
  v_asked := ops.cap_limits(p_asked);
  for v_ask in select * from jsonb_each(v_asked) loop
    if v_ask.value::text::numeric > (v_force ->> v_ask.key)::numeric then
      perform ops.fail('OPX01', format('%s: %s is above the limit of %s', v_ask.key, v_ask.value,
          v_force ->> v_ask.key),
        jsonb_build_object('cap', v_ask.key, 'limit', v_force -> v_ask.key, 'observed', v_ask.value),
        'A run can tighten a cap, never loosen it.');
    end if;
  end loop;
  return v_force || v_asked;
end
$$;
