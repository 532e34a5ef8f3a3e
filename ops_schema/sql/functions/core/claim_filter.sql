-- What decides which runs a claim can have, as a digest: claims of one filter are alike.
create or replace function ops.claim_filter(p_executor ops.executors, p_body jsonb) returns bytea
language sql stable parallel safe
return sha256(convert_to(concat_ws(chr(10), p_executor.kind, p_executor.workspaces::text,
                                   p_executor.capabilities::text, p_executor.labels::text, (p_body -> 'queues')::text),
                         'UTF8'));
