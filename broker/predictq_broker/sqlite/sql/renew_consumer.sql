UPDATE consumers SET beat = beat + 1, renewed = :now WHERE consumer = :consumer
