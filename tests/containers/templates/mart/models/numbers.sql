{% set source = 'range(1, 1001)' if target.type == 'spark' else 'unnest(sequence(1, 1000)) as t(id)' %}
select id from {{ source }}
