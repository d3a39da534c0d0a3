-- What was paid, day by day: exact sums in one currency.
-- permission: read
-- parameter: since date = today-30
-- parameter: until date = today
-- parameter: currency text = EUR
SELECT began.day AS day, sum(began.amount.amount) AS revenue, count(*) AS purchases
FROM event_purchase_began AS began
JOIN event_purchase_paid AS paid ON paid.stream = began.stream
WHERE began.tenant = :tenant AND paid.tenant = :tenant
  AND began.day BETWEEN :since AND :until
  AND paid.day >= :since
  AND began.amount.currency = :currency
GROUP BY began.day
ORDER BY began.day
