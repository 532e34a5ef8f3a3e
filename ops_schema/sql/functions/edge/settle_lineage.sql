-- A lineage event was sent, or refused with p_error by whoever is told. Again: no change.
create or replace function ops.settle_lineage(p_lineage_id bigint, p_error text) returns void
language sql volatile security definer set search_path = ''
as $$
  update ops.lineage set state = case when p_error is null then 'sent' else 'refused' end, settled_at = ops.now(),
      error = left(p_error, 2000)
   where lineage_id = p_lineage_id and state = 'pending'
$$;
