select
    tailnum,
    year as built_in_year,
    type as plane_type,
    manufacturer,
    model as model_name,
    engines as engine_count,
    seats as seat_count,
    engine as engine_type
from {{ source('inputs', 'planes') }}
