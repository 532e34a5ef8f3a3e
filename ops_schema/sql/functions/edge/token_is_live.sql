-- Whether a token still opens anything.
create or replace function ops.token_is_live(p_token ops.tokens) returns boolean
language sql stable parallel safe
return (p_token).revoked_at is null and ((p_token).expires_at is null or (p_token).expires_at > ops.now());
