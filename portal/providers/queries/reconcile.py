"""The sums of earnings and payouts, each computed again by SQL alone; ``billing`` runs them with its own. Amounts are paise."""

CHECKS = {
    "shares-sum-to-the-price": """
        SELECT p.host_organization_id, p.id::text, p.original_amount, coalesce(sum(e.share) + max(e.platform_fee), 0)
        FROM payments p LEFT JOIN earnings e ON e.payment_id = p.id
        WHERE p.status = 'SUCCEEDED' AND p.platform_rate < 10000 AND p.original_amount > 0 GROUP BY p.id
        HAVING coalesce(sum(e.share) + max(e.platform_fee), 0) <> p.original_amount
           AND NOT (count(e.id) = 0 AND (p.original_amount * p.platform_rate * 2 + 10000) / 20000 = p.original_amount)""",
    "nothing-is-earned-before-success": """
        SELECT e.organization_id, e.id::text, 0, e.share FROM earnings e JOIN payments p ON p.id = e.payment_id
        WHERE p.status <> 'SUCCEEDED'""",
    "reversed-is-its-reversals": """
        SELECT e.organization_id, e.id::text, coalesce(r.amount, 0), e.reversed_amount FROM earnings e
        LEFT JOIN (SELECT earning_id, sum(amount) AS amount FROM earning_reversals GROUP BY 1) r ON r.earning_id = e.id
        WHERE coalesce(r.amount, 0) <> e.reversed_amount""",
    "reversals-are-the-refunds": """
        SELECT p.host_organization_id, p.id::text, p.refunded_amount, sum(e.reversed_amount) FROM payments p
        JOIN earnings e ON e.payment_id = p.id GROUP BY p.id
        HAVING sum(e.reversed_amount) > p.refunded_amount OR sum(e.reversed_amount) < p.refunded_amount - max(e.platform_fee)
            OR (p.refunded_amount = p.original_amount AND sum(e.reversed_amount) <> sum(e.share))""",
    "settled-is-its-payouts": """
        SELECT e.organization_id, e.id::text, coalesce(l.amount, 0), e.settled_amount FROM earnings e
        LEFT JOIN (SELECT earning_id, sum(amount) AS amount FROM payout_lines GROUP BY 1) l ON l.earning_id = e.id
        WHERE coalesce(l.amount, 0) <> e.settled_amount""",
    "payout-is-its-lines": """
        SELECT p.organization_id, p.id::text, p.amount, coalesce(sum(l.amount), 0) FROM payouts p
        LEFT JOIN payout_lines l ON l.payout_id = p.id GROUP BY p.id HAVING p.amount <> coalesce(sum(l.amount), 0)""",
    "paid-earnings-are-in-a-completed-payout": """
        SELECT e.organization_id, e.id::text, count(p.id) FILTER (WHERE l.amount > 0 AND p.status = 'COMPLETED'),
               (e.status = 'PAID')::int
        FROM earnings e JOIN payout_lines l ON l.earning_id = e.id JOIN payouts p ON p.id = l.payout_id
        GROUP BY e.id HAVING (e.status = 'PAID' AND count(p.id) FILTER (WHERE l.amount > 0 AND p.status = 'COMPLETED') <> 1)
            OR (e.status = 'READY' AND count(p.id) FILTER (WHERE l.amount > 0 AND p.status = 'COMPLETED') > 0)""",
}
