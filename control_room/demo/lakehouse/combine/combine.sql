-- Trino knows a Delta table that others made once it is registered. The drop forgets an earlier registration; the
-- table's files stay.
create schema if not exists delta.lakehouse_demo;
drop table if exists delta.lakehouse_demo.weather;
call delta.system.register_table(schema_name => 'lakehouse_demo', table_name => 'weather', table_location => :weather_uri);

create or replace table iceberg.lakehouse_demo.flights_weather as
select
  f.flight_key,
  f.flight_date,
  f.scheduled_hour,
  f.carrier,
  f.origin,
  f.dest,
  f.departure_delay_minutes,
  f.is_cancelled,
  w.origin is not null as weather_is_known,
  w.temperature_celsius,
  w.wind_speed_mph,
  w.precipitation_inches,
  w.visibility_miles
from iceberg.lakehouse_demo.flights for version as of :flights_version f
left join delta.lakehouse_demo.weather for version as of :weather_version w
  on w.origin = f.origin and w.time_hour = f.time_hour
