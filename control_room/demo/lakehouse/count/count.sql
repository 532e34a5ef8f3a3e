select 'flights' as table_name, count(*) as row_count, sum(departure_delay_minutes) as minutes
from iceberg.lakehouse_demo.flights for version as of :flights_version
union all
select 'weather', count(*), null
from delta.lakehouse_demo.weather for version as of :weather_version
union all
select 'flights_weather', count(*), sum(departure_delay_minutes)
from iceberg.lakehouse_demo.flights_weather for version as of :flights_weather_version
union all
select 'weather_delay', count(*), sum(departure_delay_minutes)
from iceberg.lakehouse_demo.weather_delay for version as of :weather_delay_version
union all
select 'carrier_delay', count(*), sum(departure_delay_minutes)
from iceberg.lakehouse_demo.carrier_delay for version as of :carrier_delay_version
order by table_name
