-- recordArtifact and beginArtifact for many artifacts of a run, in one transaction: p_body {record: [{artifact_id,
-- epoch, verify_ms?}], begin: [body of beginArtifact]}. Returns a row for each member (ordinal, code, detail), see
-- ops.member_answer; those to record come first, ordinals go on with those to begin. A member's refusal is its own.
create or replace function ops.artifacts_each(p_token_id uuid, p_run_id uuid, p_body jsonb)
returns setof ops.member_answer
language plpgsql volatile security definer set search_path = ''
as $$
begin
  return query
    select (m.place - 1)::int, g.code, g.detail
      from (select 'record' as verb, r.value as member, r.ordinality as place
              from jsonb_array_elements(p_body -> 'record') with ordinality r
            union all
            select 'begin', b.value, b.ordinality + jsonb_array_length(p_body -> 'record')
              from jsonb_array_elements(p_body -> 'begin') with ordinality b
            order by place) m
     cross join lateral ops.artifact_guarded(p_token_id, p_run_id, m.verb, m.member) g;
end
$$;
