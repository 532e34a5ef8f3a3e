-- The part of a ClaimedRun that is its template's: JSON text without the opening brace, so that the run's part can
-- stand before it.
create or replace function ops.claimed_template(p_template ops.templates) returns text
language sql stable parallel safe
return substr(jsonb_build_object(
  'template_name', (p_template).name, 'template_version', (p_template).version, 'template_digest', (p_template).digest,
  'kind', (p_template).kind, 'entrypoint', (p_template).spec -> 'entrypoint',
  'config', coalesce((p_template).spec -> 'config', '{}'), 'bundle', ops.bundle_ref((p_template).spec),
  'connections', coalesce((p_template).spec -> 'connections', '[]'),
  'on_lapse', coalesce((p_template).spec ->> 'on_lapse', 'continue'),
  'rerun', coalesce((p_template).spec ->> 'rerun', 'safe'))::text, 2);
