"""What several rooms share: scene context, observation, stepwise work, nodes of cases, the application, texts."""
