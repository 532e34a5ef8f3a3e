-- One row per route. Four destinations in Puerto Rico and the Virgin Islands have no row among the airports: their
-- name is null and the route stays.
select
    f.origin,
    f.dest,
    d.airport_name as dest_name,
    count(*) as flights,
    count(*) filter (where f.is_cancelled) as cancelled_flights,
    count(f.arrival_delay_minutes) as arrived_flights,
    sum(f.arrival_delay_minutes)::bigint as arrival_delay_minutes,
    avg(f.arrival_delay_minutes) as mean_arrival_delay_minutes,
    avg(f.distance_miles) as mean_distance_miles,
    count(distinct f.tailnum) as planes,
    sum(p.seat_count)::bigint as seats_offered
from {{ ref('silver_flights') }} as f
left join {{ ref('silver_airports') }} as d on f.dest = d.airport
left join {{ ref('silver_planes') }} as p on f.tailnum = p.tailnum
group by f.origin, f.dest, d.airport_name
order by f.origin, f.dest
