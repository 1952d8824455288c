"""Making pictures: reserve money, send the request, save what comes, record it."""
