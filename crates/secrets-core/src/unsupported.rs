/// Implements methods of [`SecretProvider`](crate::SecretProvider) that a provider cannot do: each answers
/// [`Error::unsupported`](crate::Error::unsupported) for its operation. It stands inside the `impl`.
///
/// `put`, `delete`, `restore`, `versions`, `rollback`, `list` and `describe` may be named.
///
/// ```
/// # use async_trait::async_trait;
/// use polysecrets_core::{
///     Error, GetOptions, Health, HealthStatus, ProviderInfo, Result, Secret, SecretName, SecretProvider,
///     unsupported,
/// };
///
/// #[derive(Debug)]
/// struct ReadOnly(ProviderInfo);
///
/// #[async_trait]
/// impl SecretProvider for ReadOnly {
///     fn info(&self) -> &ProviderInfo {
///         &self.0
///     }
///
///     async fn get(&self, name: &SecretName, _: &GetOptions) -> Result<Secret> {
///         Err(Error::not_found(name))
///     }
///
///     async fn health(&self) -> Result<Health> {
///         Ok(Health::new(HealthStatus::Healthy, "empty"))
///     }
///
///     async fn close(&self) -> Result<()> {
///         Ok(())
///     }
///
///     unsupported!(describe, list, put, delete, restore, versions, rollback);
/// }
/// ```
#[macro_export]
macro_rules! unsupported {
    // What `#[async_trait]` makes of an `async fn`: it does not look into macros.
    (@method $method:ident, $operation:ident, ($($life:lifetime $option:ty),*), $answer:ty) => {
        fn $method<'this, $($life,)* 'answer>(
            &'this self,
            $(_: &$life $option,)*
        ) -> ::core::pin::Pin<::std::boxed::Box<
            dyn ::core::future::Future<Output = $crate::Result<$answer>> + ::core::marker::Send + 'answer,
        >>
        where
            'this: 'answer,
            $($life: 'answer,)*
            Self: 'answer,
        {
            ::std::boxed::Box::pin(async {
                ::core::result::Result::Err($crate::Error::unsupported($crate::Operation::$operation))
            })
        }
    };
    (@one describe) => {
        $crate::unsupported!(@method describe, Describe, ('a $crate::SecretName, 'b $crate::DescribeOptions), $crate::Metadata);
    };
    (@one list) => {
        $crate::unsupported!(@method list, List, ('a $crate::ListOptions), $crate::Page);
    };
    (@one put) => {
        $crate::unsupported!(@method put, Put, ('a $crate::SecretName, 'b $crate::SecretValue, 'c $crate::PutOptions), $crate::Metadata);
    };
    (@one delete) => {
        $crate::unsupported!(@method delete, Delete, ('a $crate::SecretName, 'b $crate::DeleteOptions), ());
    };
    (@one restore) => {
        $crate::unsupported!(@method restore, Restore, ('a $crate::SecretName), ());
    };
    (@one versions) => {
        $crate::unsupported!(@method versions, Versions, ('a $crate::SecretName, 'b $crate::VersionsOptions), $crate::Page);
    };
    (@one rollback) => {
        $crate::unsupported!(@method rollback, Rollback, ('a $crate::SecretName, 'b $crate::Version, 'c $crate::RollbackOptions), $crate::Metadata);
    };
    ($($method:ident),+ $(,)?) => {
        $($crate::unsupported!(@one $method);)+
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::FutureExt;

    use crate::{
        Capabilities, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind, GetOptions,
        Health, HealthStatus, ListOptions, ProviderInfo, PutOptions, Result, RollbackOptions,
        Secret, SecretName, SecretProvider, Version, VersionsOptions,
    };

    #[derive(Debug)]
    struct Nothing(ProviderInfo);

    #[async_trait]
    impl SecretProvider for Nothing {
        fn info(&self) -> &ProviderInfo {
            &self.0
        }

        async fn get(&self, name: &SecretName, _: &GetOptions) -> Result<Secret> {
            Err(Error::not_found(name))
        }

        async fn health(&self) -> Result<Health> {
            Ok(Health::new(HealthStatus::Healthy, "empty"))
        }

        async fn close(&self) -> Result<()> {
            Ok(())
        }

        unsupported!(describe, list, put, delete, restore, versions, rollback);
    }

    #[test]
    fn each_method_refuses_its_own_operation() {
        let location = "nothing://nowhere".parse().unwrap();
        let info = ProviderInfo::new("nothing", "main", location, Capabilities::default());
        let provider = Nothing(info);
        let (name, version) = (SecretName::new("a").unwrap(), Version::new("1"));
        let window = DeleteMode::Window(Duration::from_secs(604_800));
        let refusals = async {
            let delete = DeleteOptions::default().with_mode(window);
            let rollback = RollbackOptions::default();
            [
                provider
                    .describe(&name, &DescribeOptions::default())
                    .await
                    .err(),
                provider.list(&ListOptions::default()).await.err(),
                provider
                    .put(&name, &"v".into(), &PutOptions::default())
                    .await
                    .err(),
                provider.delete(&name, &delete).await.err(),
                provider.restore(&name).await.err(),
                provider
                    .versions(&name, &VersionsOptions::default())
                    .await
                    .err(),
                provider.rollback(&name, &version, &rollback).await.err(),
            ]
        };
        let refusals = refusals.now_or_never().unwrap().map(Option::unwrap);
        assert!(
            refusals
                .iter()
                .all(|error| error.kind() == ErrorKind::Unsupported)
        );
        assert_eq!(
            refusals.map(|error| error.operation().unwrap().as_str()),
            [
                "describe", "list", "put", "delete", "restore", "versions", "rollback"
            ]
        );
    }
}
