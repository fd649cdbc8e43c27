"""What the suite and the load tests share beside the protocol: started servers, targets, redaction, options, errors."""
