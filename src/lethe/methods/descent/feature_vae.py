"""Feature VAE: a small variational autoencoder of features, which explains rows badly that are unlike its own."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lethe.examples import shuffled
from lethe.precision import full_precision
from lethe.run import Run

Output = Literal["linear", "sigmoid"]


class FeatureVAE(nn.Module):
    """d-128-32-(μ, log σ²)-32-128-d, all layers linear with ReLU between.

    Args:
        width: d.
        latent: k, the number of latent dimensions.
        output: what follows the last layer.
    """

    def __init__(self, width: int, latent: int, output: Output) -> None:
        super().__init__()
        self.output = output
        self.encoder = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(32, latent), nn.Linear(32, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, width)
        )

    def forward(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction [B, d] from z = μ + σ·noise, μ [B, k] and log σ² [B, k]."""
        hidden = self.encoder(full_precision(features))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        decoded = self.decoder(mean + (0.5 * log_variance).exp() * noise)
        return decoded.sigmoid() if self.output == "sigmoid" else decoded, mean, log_variance

    def errors(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return m = ‖VAE(φ) - φ‖², summed over dimensions, [B]."""
        return (self(features, noise)[0] - full_precision(features)).square().sum(-1)


def fitted(
    features: Tensor,
    latent: int,
    output: Output,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    run: Run,
    name: str,
    divergence_weight: float = 0.025,
) -> FeatureVAE:
    """Return a VAE fitted to features with Adam: min E[‖VAE(φ) - φ‖² + β KL(N(μ, σ²) ‖ N(0, 1))], frozen.

    Args:
        features: [N, d], on the CPU.
        latent: k.
        output: what follows the last layer.
        epochs: passes over the features.
        learning_rate: of Adam.
        batch_size: rows a batch.
        run: device and randomness.
        name: tells the randomness of one fit from another's.
        divergence_weight: β.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.key(name, "weights"))
        vae = FeatureVAE(features.shape[1], latent, output)
    vae, rows = vae.to(run.device), features.to(run.device)
    optimizer = torch.optim.Adam(vae.parameters(), lr=learning_rate)
    with torch.enable_grad(), run.progress.bar(name, epochs) as bar:
        for epoch in range(epochs):
            generator = run.generator(name, epoch)
            for chosen in shuffled(len(rows), batch_size, generator):
                run.interrupt_point()
                batch = rows[chosen.to(run.device)]
                noise = torch.randn(len(batch), latent, generator=generator).to(run.device)
                decoded, mean, log_variance = vae(batch, noise)
                error = F.mse_loss(decoded, batch, reduction="sum")
                divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
                optimizer.zero_grad(set_to_none=True)
                ((error + divergence_weight * divergence) / len(batch)).backward()
                optimizer.step()
            bar.advance(1)
    return vae.requires_grad_(False).eval()
