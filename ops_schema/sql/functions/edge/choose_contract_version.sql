-- The newest contract version that both sides speak; OPC08 when there is none. Versions are 'major.minor'.
create or replace function ops.choose_contract_version(p_min text, p_max text) returns text
language plpgsql stable set search_path = ''
as $$
declare
  v_chosen text;
begin
  if coalesce(p_min, '') !~ '^\d{1,4}\.\d{1,4}$' or coalesce(p_max, '') !~ '^\d{1,4}\.\d{1,4}$' then
    perform ops.invalid('/contract', 'must give min and max as "major.minor"');
  end if;
  select v into v_chosen from jsonb_array_elements_text(ops.setting('contract_versions')) v
   where string_to_array(v, '.')::int[]
         between string_to_array(p_min, '.')::int[] and string_to_array(p_max, '.')::int[]
   order by string_to_array(v, '.')::int[] desc limit 1;
  if v_chosen is null then
    perform ops.fail('OPC08', format('no contract version from %s to %s is spoken here', p_min, p_max),
      jsonb_build_object('supported', ops.setting('contract_versions'), 'min', p_min, 'max', p_max),
      'Upgrade the older side.');
  end if;
  return v_chosen;
end
$$;
