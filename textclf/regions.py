"""`textclf replicate`."""


def replicate(model_uri: str, region: str, /) -> None:
    """Copy a bundle to another region, and print its model URI there.

    A stack and its models belong in one region, so each region has a bucket of its own: that of the
    given URI, with the region at the end of its name. It is created if necessary, and made private,
    versioned and encrypted. `make deploy REGIONS=...` does this for each region.

    ```
    textclf replicate s3://my-models/news/af595c94586d0016 eu-west-1
    ```

    Args:
        model_uri: The bundle, as `s3://BUCKET/PREFIX/VERSION`.
        region: The region.
    """
    import boto3

    from operations.regions import replicate as copy

    print(copy(boto3.client("s3", region_name=region), model_uri, region))
