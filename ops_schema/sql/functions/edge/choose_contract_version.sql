-- The newest contract version that both sides speak; OPC08 when there is none. Versions are 'major.minor'.
create or replace function ops.choose_contract_version(p_min text, p_max text) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_spoken text[] := array(select jsonb_array_elements_text(ops.setting('contract_versions')));
  v_chosen text;
begin
  if coalesce(p_min, '') !~ '^\d{1,4}\.\d{1,4}$' or coalesce(p_max, '') !~ '^\d{1,4}\.\d{1,4}$' then
    perform ops.invalid('/contract', 'must give min and max as "major.minor"');
  end if;
  select v into v_chosen from unnest(v_spoken) v
   where string_to_array(v, '.')::int[]
         between string_to_array(p_min, '.')::int[] and string_to_array(p_max, '.')::int[]
   order by string_to_array(v, '.')::int[] desc limit 1;
  if v_chosen is null then
    perform ops.fail('OPC08',
      format('the control room speaks contract %s; the executor asked for %s to %s',
        array_to_string(v_spoken, ', '), p_min, p_max),
      jsonb_build_object('supported', v_spoken, 'min', p_min, 'max', p_max),
      case when string_to_array(p_min, '.')::int[] > string_to_array(v_spoken[cardinality(v_spoken)], '.')::int[]
           then format('Upgrade the control room, or use an executor that speaks %s.', v_spoken[cardinality(v_spoken)])
           else format('Upgrade the executor to one that speaks %s.', v_spoken[cardinality(v_spoken)]) end);
  end if;
  return v_chosen;
end
$$;
