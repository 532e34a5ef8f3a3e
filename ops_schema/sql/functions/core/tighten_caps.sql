-- The caps of a new run: what is in force for the template, tightened by what the submit asks. A submit may tighten,
-- never loosen: OPX01 with {cap, limit, observed}. OPV01 for an unknown cap or a limit that is no positive number,
-- or no whole one of what is counted: executors hold these as integers of 64 bits.
create or replace function ops.tighten_caps(p_workspace text, p_template_name text, p_template jsonb, p_asked jsonb)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_force jsonb := ops.effective_caps(p_workspace, p_template_name, coalesce(p_template, '{}'));
  v_ask   record;
begin
  for v_ask in select * from jsonb_each(coalesce(p_asked, '{}')) loop
    if not ops.cap_names() ? v_ask.key then
      perform ops.invalid('/caps/' || v_ask.key, 'there is no such cap');
    elsif jsonb_typeof(v_ask.value) <> 'number' or v_ask.value::text::numeric <= 0 then
      perform ops.invalid('/caps/' || v_ask.key, 'must be a number above 0');
    elsif v_ask.value::text::numeric > 1e18 then
      perform ops.invalid('/caps/' || v_ask.key, 'must be at most 1e18');
    elsif v_ask.key not in ('wall_seconds', 'cpu_seconds') and v_ask.value::text::numeric % 1 <> 0 then
      perform ops.invalid('/caps/' || v_ask.key, 'must be a whole number');
    elsif v_ask.value::text::numeric > (v_force ->> v_ask.key)::numeric then
      perform ops.fail('OPX01', format('%s: %s is above the limit of %s', v_ask.key, v_ask.value,
          v_force ->> v_ask.key),
        jsonb_build_object('cap', v_ask.key, 'limit', v_force -> v_ask.key, 'observed', v_ask.value),
        'A run can tighten a cap, never loosen it.');
    end if;
  end loop;
  return v_force || coalesce(p_asked, '{}');
end
$$;
