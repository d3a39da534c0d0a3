"""The whole bank, as the functions load it."""

from foldstack import Service

from .account import account
from .api import api
from .views import accounts

service = Service("bank", aggregates=[account], projections=[accounts], api=api)
