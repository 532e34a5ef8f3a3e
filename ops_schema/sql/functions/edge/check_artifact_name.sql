-- Refuse a name that could leave its folder or confuse a reader: OPV06. What shows as nothing or turns text around
-- (control and format characters, among them the bidirectional overrides), and what file systems drop or change (spaces
-- at the ends of a segment, a dot at its end, other normal forms than NFC), would let one name pass for another.
-- Characters that Unicode does not assign are refused by the server, which has the same tables on every Postgres.
create or replace function ops.check_artifact_name(p_name text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  v_odd     text := substring(p_name from ops.odd_pattern());
  v_problem text := case
    when p_name is null or p_name = '' then 'is empty'
    when octet_length(p_name) > 1024 then 'is longer than 1024 bytes'
    when v_odd is not null then format('holds U+%s, which does not show',
                                         upper(right('000' || to_hex(ascii(v_odd)), greatest(4,
                                           length(to_hex(ascii(v_odd)))))))
    when left(p_name, 1) = '/' then 'starts with "/"'
    when p_name ~ '(^|/)\.{0,2}(/|$)' then 'has an empty, "." or ".." segment'
    when strpos(p_name, '\') > 0 then 'holds a backslash'
    when p_name ~ '(^|/)[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]' then 'has a segment that begins with a space'
    when p_name ~ '[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000](/|$)' then 'has a segment that ends with a space'
    when p_name ~ '\.(/|$)' then 'has a segment that ends with a dot'
    when p_name is not nfc normalized then 'is not in the Unicode normal form NFC'
  end;
begin
  if v_problem is not null then
    perform ops.fail('OPV06',
      format('artifact name %s %s',
             left(to_jsonb(regexp_replace(p_name, ops.odd_pattern(), U&'\FFFD', 'g'))::text, 200), v_problem), '{}',
      case when v_problem ~ 'NFC' then 'Send it in NFC; in Python: unicodedata.normalize("NFC", name).'
           when v_odd is not null then 'Leave that character out.'
           else 'Use a relative path such as "report/index.html".' end);
  end if;
end
$$;
