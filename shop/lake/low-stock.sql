-- Products of which little is left, those with least first.
-- permission: manage
-- parameter: most whole = 5
-- parameter: created date = 2020-01-01
SELECT id, name, stock - claimed AS left_over, price.amount AS price, price.currency AS currency
FROM products
WHERE tenant = :tenant AND day >= :created AND stock - claimed <= :most
ORDER BY left_over, id
