-- The pattern of characters that show as nothing or turn text around: control (Cc), format (Cf, with all bidirectional
-- marks, embeddings, overrides and isolates), line and paragraph separators, and noncharacters of the first plane.
create or replace function ops.odd_pattern() returns text
language sql immutable parallel safe
return '[\u0001-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f'
  || '\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd'
  || '\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]';
