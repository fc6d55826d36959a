DELETE FROM ids WHERE queue = :queue AND id IN (SELECT value FROM json_each(:ids)) AND until <= :now
