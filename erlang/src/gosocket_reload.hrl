%% For modules that lanes run or callers wait in: see gosocket_reload. To be included behind the last attribute.

-on_load(on_load/0).

-spec on_load() -> ok.
on_load() ->
    %% the first time there is nobody who could leave
    case erlang:module_loaded(?MODULE) of
        true -> gosocket_reload:on_load(?MODULE);
        false -> ok
    end.
