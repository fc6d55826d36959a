SELECT held.slot FROM held CROSS JOIN requests USING (slot) WHERE consumer = :consumer AND sizes IS NOT NULL
