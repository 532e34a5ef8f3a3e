"""As many tasks that do nothing as the run's conf says."""

import time

from airflow.sdk import dag, task


@dag(dag_id="trivial", schedule=None, catchup=False, is_paused_upon_creation=False)
def trivial():
    @task
    def numbers(params=None, dag_run=None):
        return list(range(int(dag_run.conf["count"])))

    @task
    def one(number):
        return time.time()

    one.expand(number=numbers())


trivial()
