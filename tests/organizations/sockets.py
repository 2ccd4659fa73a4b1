"""What open sockets were told, without opening any."""

Told = list[str]  # the topics on which access.changed was published, in order
