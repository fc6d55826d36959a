UPDATE ids SET slot = ? WHERE queue = ? AND id = ?
