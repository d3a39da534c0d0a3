"""The whole shop, as the functions load it."""

from foldstack import Service

from .api import api
from .checkout import checkout, reactions
from .payments import PaymentProvider
from .product import product
from .purchase import purchase
from .views import products, purchases

service = Service(
    "shop",
    aggregates=[product, purchase],
    projections=[products, purchases],
    reactions=reactions,
    sagas=[checkout],
    api=api,
    world=PaymentProvider.from_settings,
)
