-- Guard: one publication of a report is of an output that its run declares, with the format, uri and mode fixed at
-- submit (delta when it says no format), and of an object it is one file without rows. Raises OPV01.
create or replace function ops.check_publication(p_run ops.runs, p_item jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  v_planned jsonb;
begin
  select o into v_planned from jsonb_array_elements(p_run.outputs) o where o ->> 'name' = p_item ->> 'output';
  if v_planned is null then
    perform ops.invalid('/publications', format('the run declares no output %s', p_item ->> 'output'));
  elsif (coalesce(p_item ->> 'format', 'delta'), p_item ->> 'uri', p_item ->> 'mode')
        is distinct from (v_planned ->> 'format', v_planned ->> 'uri', v_planned ->> 'mode') then
    perform ops.invalid('/publications', format('output %s: format, uri and mode must be %s, %s, %s',
      p_item ->> 'output', v_planned ->> 'format', v_planned ->> 'uri', v_planned ->> 'mode'));
  elsif jsonb_typeof(p_item -> 'files') is distinct from 'array' then
    perform ops.invalid('/publications', format('output %s: files must be a list', p_item ->> 'output'));
  elsif v_planned ->> 'format' = 'object'
        and (jsonb_array_length(p_item -> 'files') <> 1 or coalesce(p_item ->> 'rows', '0') <> '0') then
    perform ops.invalid('/publications', format('output %s: an object is one file, of 0 rows', p_item ->> 'output'));
  end if;
end
$$;
