"""What is measured against: small apps in processes of their own."""
