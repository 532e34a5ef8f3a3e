-- Names for a message, as text: ten of them, and how many more there are. '' for none.
create or replace function ops.first_names(p_names text[]) returns text
language sql immutable parallel safe
return array_to_string(p_names[1:10], ', ')
    || case when cardinality(p_names) > 10 then format(' and %s more', cardinality(p_names) - 10) else '' end;
